# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""An emulator of an AWS account, on loopback, for boto3."""

from .account import Account, Call, Execution, Faults, Job, StepExecution

__all__ = ["Account", "Call", "Execution", "Faults", "Job", "StepExecution"]
