"""Tensor operations: functions only, tensors in and tensors out.

Every fast form stands beside its definition, and a test holds the two together, gradients included.
"""
