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

from dataclasses import dataclass


@dataclass(frozen=True)
class InstanceType:
    """One type of instance, and what it offers.

    Attributes:
        name: The name that SageMaker knows, such as `ml.m5.xlarge`.
        vcpus: The number of virtual CPUs.
        memory_gib: The memory, in GiB (2**30 bytes).
        gpus: The number of whole GPUs.
        usd_per_hour: EC2's price on demand in us-east-1, in US dollars an hour.
    """

    name: str
    vcpus: int
    memory_gib: float
    gpus: int
    usd_per_hour: float

    def __str__(self) -> str:
        """Says what it has, for people."""
        gpus = f", {self.gpus} GPUs" if self.gpus else ""
        return f"{self.name} ({self.vcpus} CPUs, {self.memory_gib:g} GiB{gpus})"


INSTANCE_TYPES: tuple[InstanceType, ...] = (
    # Not t3, which shares its CPUs and slows down when its credits are used up: who asks for CPUs
    # means whole ones.
    # 4 GiB a vCPU.
    InstanceType("ml.m5.large", 2, 8, 0, 0.096),
    InstanceType("ml.m5.xlarge", 4, 16, 0, 0.192),
    InstanceType("ml.m5.2xlarge", 8, 32, 0, 0.384),
    InstanceType("ml.m5.4xlarge", 16, 64, 0, 0.768),
    InstanceType("ml.m5.12xlarge", 48, 192, 0, 2.304),
    InstanceType("ml.m5.24xlarge", 96, 384, 0, 4.608),
    # 2 GiB a vCPU.
    InstanceType("ml.c5.xlarge", 4, 8, 0, 0.17),
    InstanceType("ml.c5.2xlarge", 8, 16, 0, 0.34),
    InstanceType("ml.c5.4xlarge", 16, 32, 0, 0.68),
    InstanceType("ml.c5.9xlarge", 36, 72, 0, 1.53),
    InstanceType("ml.c5.18xlarge", 72, 144, 0, 3.06),
    # 8 GiB a vCPU.
    InstanceType("ml.r5.large", 2, 16, 0, 0.126),
    InstanceType("ml.r5.xlarge", 4, 32, 0, 0.252),
    InstanceType("ml.r5.2xlarge", 8, 64, 0, 0.504),
    InstanceType("ml.r5.4xlarge", 16, 128, 0, 1.008),
    InstanceType("ml.r5.8xlarge", 32, 256, 0, 2.016),
    InstanceType("ml.r5.12xlarge", 48, 384, 0, 3.024),
    InstanceType("ml.r5.16xlarge", 64, 512, 0, 4.032),
    InstanceType("ml.r5.24xlarge", 96, 768, 0, 6.048),
    # NVIDIA T4, 16 GiB a GPU.
    InstanceType("ml.g4dn.xlarge", 4, 16, 1, 0.526),
    InstanceType("ml.g4dn.2xlarge", 8, 32, 1, 0.752),
    InstanceType("ml.g4dn.4xlarge", 16, 64, 1, 1.204),
    InstanceType("ml.g4dn.8xlarge", 32, 128, 1, 2.176),
    InstanceType("ml.g4dn.12xlarge", 48, 192, 4, 3.912),
    InstanceType("ml.g4dn.16xlarge", 64, 256, 1, 4.352),
    # NVIDIA A10G, 24 GB a GPU.
    InstanceType("ml.g5.xlarge", 4, 16, 1, 1.006),
    InstanceType("ml.g5.2xlarge", 8, 32, 1, 1.212),
    InstanceType("ml.g5.4xlarge", 16, 64, 1, 1.624),
    InstanceType("ml.g5.8xlarge", 32, 128, 1, 2.448),
    InstanceType("ml.g5.12xlarge", 48, 192, 4, 5.672),
    InstanceType("ml.g5.16xlarge", 64, 256, 1, 4.096),
    InstanceType("ml.g5.24xlarge", 96, 384, 4, 8.144),
    InstanceType("ml.g5.48xlarge", 192, 768, 8, 16.288),
    # NVIDIA A100 (40 GB a GPU) and H100 (80 GB a GPU). Training only: SageMaker has no processing
    # jobs on these two, all others above run both.
    InstanceType("ml.p4d.24xlarge", 96, 1152, 8, 21.957642),
    InstanceType("ml.p5.48xlarge", 192, 2048, 8, 55.04),
)
