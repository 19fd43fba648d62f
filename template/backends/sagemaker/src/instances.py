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

from pathlib import Path

from .engine.services.machine_choice import read_types

INSTANCE_TYPES = read_types(Path(__file__).with_suffix(".csv"))
