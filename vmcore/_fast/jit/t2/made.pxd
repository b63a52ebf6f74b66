# The regions that a machine has, and what each was made from: for people, who can have them made once more.

from vmcore._fast.hart.state cimport System

# A tuple for each: the page's bytes, the offset of the region in it, and what is warm there (a bit for each halfword).
cdef list regions_of(System *sys)
