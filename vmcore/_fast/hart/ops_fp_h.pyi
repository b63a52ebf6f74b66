"""The instructions on binary16 (Zfhmin, Zfh, and the h forms of Zfa)."""
