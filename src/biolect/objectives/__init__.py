"""Objectives: rendered documents to inputs, targets and loss weights; logits to losses. No parameters."""
