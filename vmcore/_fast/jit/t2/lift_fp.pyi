"""Lifting F and D: importing the module registers its lifters."""
