FROM python:3.11-slim
COPY constraints.txt dist/*.whl /install/
RUN pip install --no-cache-dir -c /install/constraints.txt /install/*.whl
