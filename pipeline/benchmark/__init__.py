"""Recipes x label budgets x draws as one job that can be stopped, spread out and continued."""
