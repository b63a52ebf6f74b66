"""The instructions on binary32 (F, and the s forms of Zfa)."""
