"""Evaluation: tasks, and the baselines that stand in the same table."""
