# YOURS: the machine types to choose from
"""The machine types from which resource settings choose, with what each one has.

They are types that a custom job can run on, each with a number of GPUs that it can have there:
https://cloud.google.com/vertex-ai/docs/training/configure-compute#machine-types
https://cloud.google.com/vertex-ai/docs/training/configure-compute#gpu-compatibility-table

vCPUs and memory are those of the Compute Engine type of the same name. Google writes GB and means
GiB: https://cloud.google.com/compute/docs/machine-resource
A container gets less memory than the machine has: Vertex AI's own agents take up to 40 % of it on
the smallest types. https://cloud.google.com/vertex-ai/docs/training/understanding-training-service

The prices only put the types in order. They are what Compute Engine asks on demand in us-central1
for the machine and its GPUs, from lists that others keep. A3, and g2-standard-12, from which the
other G2 follow by the other list's prices of CPUs and memory, as of 2025-03-06:
https://github.com/Cyclenerd/google-cloud-pricing-cost-calculator/blob/0166a59/pricing.yml
All others, as of the commit in the address:
https://github.com/kubernetes/autoscaler/blob/0411d1c/cluster-autoscaler/cloudprovider/gce/gce_price_info.go
Vertex AI asks about 15 % more (seen for n1-standard-4), so they are not what a job costs:
https://cloud.google.com/vertex-ai/pricing

The types and counts are those of 2026-08-22. Which exist differs between regions, and a new project
may use few of them: CPUs and each kind of GPU have their own quotas for training.
https://cloud.google.com/vertex-ai/docs/quotas
"""

from __future__ import annotations

from pathlib import Path

from ..engine.services.machine_choice import read_types

MACHINE_TYPES = read_types(Path(__file__).with_suffix(".csv"))
