# YOURS: the instance types that a request for resources may choose
"""The instance types from which resource settings choose, with what each one has.

vCPUs, memory and GPUs are those of the EC2 type of the same name without `ml.`:
https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-types.html

The prices only put the types in order. They are what EC2 asks on demand in us-east-1, as of
2026-07-20, taken from a list that is generated from AWS's own price list:
https://github.com/aws/karpenter-provider-aws/blob/6fc13b5/pkg/providers/pricing/zz_generated.pricing_aws.go
SageMaker asks more than EC2, by a factor that differs from type to type, so they are not what a
job costs: https://aws.amazon.com/sagemaker/pricing/

Which types exist differs between regions, and a new account may use few of them: each type has
its own quota for training jobs and for processing jobs, often 0.
https://docs.aws.amazon.com/general/latest/gr/sagemaker.html#limits_sagemaker
"""

from __future__ import annotations

from .engine.services.machine_choice import MachineType

INSTANCE_TYPES: tuple[MachineType, ...] = (
    # Not t3, which shares its CPUs and slows down when its credits are used up: who asks for CPUs
    # means whole ones.
    # 4 GiB a vCPU.
    MachineType("ml.m5.large", 2, 8, 0.096),
    MachineType("ml.m5.xlarge", 4, 16, 0.192),
    MachineType("ml.m5.2xlarge", 8, 32, 0.384),
    MachineType("ml.m5.4xlarge", 16, 64, 0.768),
    MachineType("ml.m5.12xlarge", 48, 192, 2.304),
    MachineType("ml.m5.24xlarge", 96, 384, 4.608),
    # 2 GiB a vCPU.
    MachineType("ml.c5.xlarge", 4, 8, 0.17),
    MachineType("ml.c5.2xlarge", 8, 16, 0.34),
    MachineType("ml.c5.4xlarge", 16, 32, 0.68),
    MachineType("ml.c5.9xlarge", 36, 72, 1.53),
    MachineType("ml.c5.18xlarge", 72, 144, 3.06),
    # 8 GiB a vCPU.
    MachineType("ml.r5.large", 2, 16, 0.126),
    MachineType("ml.r5.xlarge", 4, 32, 0.252),
    MachineType("ml.r5.2xlarge", 8, 64, 0.504),
    MachineType("ml.r5.4xlarge", 16, 128, 1.008),
    MachineType("ml.r5.8xlarge", 32, 256, 2.016),
    MachineType("ml.r5.12xlarge", 48, 384, 3.024),
    MachineType("ml.r5.16xlarge", 64, 512, 4.032),
    MachineType("ml.r5.24xlarge", 96, 768, 6.048),
    # NVIDIA T4, 16 GiB a GPU.
    MachineType("ml.g4dn.xlarge", 4, 16, 0.526, 1),
    MachineType("ml.g4dn.2xlarge", 8, 32, 0.752, 1),
    MachineType("ml.g4dn.4xlarge", 16, 64, 1.204, 1),
    MachineType("ml.g4dn.8xlarge", 32, 128, 2.176, 1),
    MachineType("ml.g4dn.12xlarge", 48, 192, 3.912, 4),
    MachineType("ml.g4dn.16xlarge", 64, 256, 4.352, 1),
    # NVIDIA A10G, 24 GB a GPU.
    MachineType("ml.g5.xlarge", 4, 16, 1.006, 1),
    MachineType("ml.g5.2xlarge", 8, 32, 1.212, 1),
    MachineType("ml.g5.4xlarge", 16, 64, 1.624, 1),
    MachineType("ml.g5.8xlarge", 32, 128, 2.448, 1),
    MachineType("ml.g5.12xlarge", 48, 192, 5.672, 4),
    MachineType("ml.g5.16xlarge", 64, 256, 4.096, 1),
    MachineType("ml.g5.24xlarge", 96, 384, 8.144, 4),
    MachineType("ml.g5.48xlarge", 192, 768, 16.288, 8),
    # NVIDIA A100 (40 GB a GPU) and H100 (80 GB a GPU). Training only: SageMaker has no processing
    # jobs on these two, all others above run both.
    MachineType("ml.p4d.24xlarge", 96, 1152, 21.957642, 8),
    MachineType("ml.p5.48xlarge", 192, 2048, 55.04, 8),
)
