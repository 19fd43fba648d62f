# YOURS: how the engine's pipelines and jobs become SageMaker's
"""SageMaker, as the engine sees it: `SageMakerService`."""
