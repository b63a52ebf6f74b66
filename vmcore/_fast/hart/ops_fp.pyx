"""Every F, D, Zfhmin, Zfh and Zfa instruction but the loads and stores: importing this registers their handlers."""

from vmcore._fast.hart import ops_fp_d, ops_fp_h, ops_fp_s

FORMATS = {"s": ops_fp_s, "d": ops_fp_d, "h": ops_fp_h}
