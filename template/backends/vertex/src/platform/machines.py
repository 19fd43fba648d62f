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

from ..engine.services.machine_choice import MachineType

MACHINE_TYPES: tuple[MachineType, ...] = (
    # Only E2 and N1 without a GPU: the two share one quota, which is far larger than that of N2.
    # About 4 GB a vCPU. A task of a pipeline that asks for nothing gets an e2-standard-4:
    # https://cloud.google.com/vertex-ai/docs/pipelines/machine-types
    MachineType("e2-standard-4", 4, 16, 0.13402),
    MachineType("e2-standard-8", 8, 32, 0.26805),
    MachineType("e2-standard-16", 16, 64, 0.53609),
    MachineType("e2-standard-32", 32, 128, 1.0721),
    MachineType("n1-standard-64", 64, 240, 3.04),
    MachineType("n1-standard-96", 96, 360, 4.56),
    # About 8 GB a vCPU.
    MachineType("e2-highmem-2", 2, 16, 0.0904),
    MachineType("e2-highmem-4", 4, 32, 0.1808),
    MachineType("e2-highmem-8", 8, 64, 0.3616),
    MachineType("e2-highmem-16", 16, 128, 0.7232),
    MachineType("n1-highmem-32", 32, 208, 1.8944),
    MachineType("n1-highmem-64", 64, 416, 3.7888),
    MachineType("n1-highmem-96", 96, 624, 5.6832),
    # About 1 GB a vCPU.
    MachineType("e2-highcpu-16", 16, 16, 0.39576),
    MachineType("e2-highcpu-32", 32, 32, 0.79149),
    MachineType("n1-highcpu-64", 64, 57.6, 2.2688),
    MachineType("n1-highcpu-96", 96, 86.4, 3.402),
    # NVIDIA T4, 16 GB a GPU.
    MachineType("n1-standard-4", 4, 15, 0.54, 1, "NVIDIA_TESLA_T4"),
    MachineType("n1-standard-8", 8, 30, 0.73, 1, "NVIDIA_TESLA_T4"),
    MachineType("n1-standard-16", 16, 60, 1.11, 1, "NVIDIA_TESLA_T4"),
    MachineType("n1-standard-8", 8, 30, 1.08, 2, "NVIDIA_TESLA_T4"),
    MachineType("n1-standard-16", 16, 60, 1.46, 2, "NVIDIA_TESLA_T4"),
    MachineType("n1-standard-32", 32, 120, 2.22, 2, "NVIDIA_TESLA_T4"),
    MachineType("n1-standard-16", 16, 60, 2.16, 4, "NVIDIA_TESLA_T4"),
    MachineType("n1-standard-32", 32, 120, 2.92, 4, "NVIDIA_TESLA_T4"),
    MachineType("n1-standard-64", 64, 240, 4.44, 4, "NVIDIA_TESLA_T4"),
    MachineType("n1-standard-96", 96, 360, 5.96, 4, "NVIDIA_TESLA_T4"),
    # NVIDIA L4, 24 GB a GPU.
    MachineType("g2-standard-4", 4, 16, 0.7068, 1, "NVIDIA_L4"),
    MachineType("g2-standard-8", 8, 32, 0.8536, 1, "NVIDIA_L4"),
    MachineType("g2-standard-12", 12, 48, 1.0004, 1, "NVIDIA_L4"),
    MachineType("g2-standard-16", 16, 64, 1.1472, 1, "NVIDIA_L4"),
    MachineType("g2-standard-32", 32, 128, 1.7343, 1, "NVIDIA_L4"),
    MachineType("g2-standard-24", 24, 96, 2.0008, 2, "NVIDIA_L4"),
    MachineType("g2-standard-48", 48, 192, 4.0017, 4, "NVIDIA_L4"),
    MachineType("g2-standard-96", 96, 384, 8.0033, 8, "NVIDIA_L4"),
    # NVIDIA A100, 40 GB a GPU.
    MachineType("a2-highgpu-1g", 12, 85, 3.673385, 1, "NVIDIA_TESLA_A100"),
    MachineType("a2-highgpu-2g", 24, 170, 7.34677, 2, "NVIDIA_TESLA_A100"),
    MachineType("a2-highgpu-4g", 48, 340, 14.69354, 4, "NVIDIA_TESLA_A100"),
    MachineType("a2-highgpu-8g", 96, 680, 29.38708, 8, "NVIDIA_TESLA_A100"),
    MachineType("a2-megagpu-16g", 96, 1360, 55.739504, 16, "NVIDIA_TESLA_A100"),
    # NVIDIA A100, 80 GB a GPU.
    MachineType("a2-ultragpu-1g", 12, 170, 5.0688, 1, "NVIDIA_A100_80GB"),
    MachineType("a2-ultragpu-2g", 24, 340, 10.1376, 2, "NVIDIA_A100_80GB"),
    MachineType("a2-ultragpu-4g", 48, 680, 20.2752, 4, "NVIDIA_A100_80GB"),
    MachineType("a2-ultragpu-8g", 96, 1360, 40.5504, 8, "NVIDIA_A100_80GB"),
    # NVIDIA H100, 80 GB a GPU.
    MachineType("a3-highgpu-1g", 26, 234, 11.06125, 1, "NVIDIA_H100_80GB"),
    MachineType("a3-highgpu-2g", 52, 468, 22.1225, 2, "NVIDIA_H100_80GB"),
    MachineType("a3-highgpu-4g", 104, 936, 44.245, 4, "NVIDIA_H100_80GB"),
    MachineType("a3-highgpu-8g", 208, 1872, 88.49, 8, "NVIDIA_H100_80GB"),
)
