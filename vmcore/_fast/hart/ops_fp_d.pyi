"""The instructions on binary64 (D, and the d forms of Zfa)."""
