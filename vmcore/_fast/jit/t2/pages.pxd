# The pages of a region that has more than one: what shows, where it is entered, that they are what they were.
#
# The region stands in the bundle of its header's page, which is what its code is found by. What it has of other pages
# was made of other bundles, each of which has a number that no other one ever has. So the region may be entered where
# the hart knows pages of these bundles at the same distances from the header's page. Nothing in a region can change
# that: stores to it are seen at the next fence.i, another mapping at the next sfence.vma, and both are left to T0.
#
# Bytes, next to each other, in the code behind everything that is executed:
#
#   n       4   how many pages follow
#   pages   12n where it lies from the header's page on (in bytes), 4; number of its bundle, 8
#   n       4   again: the code ends here

from libc.stdint cimport uint8_t, uint64_t

from vmcore._fast.hart.state cimport Hart

cdef enum:
    PAGES_HEAD = 4
    PAGES_EACH = 12

# What STUB_T2_PAGES calls, where a quick look at the hart's table of fetched pages did not show it: 0 if they are. What
# the table has forgotten is looked up again, but nothing is changed that the guest could see, and nothing decoded.
cdef uint64_t on_t2_pages(Hart *hart, const uint8_t *record, uint64_t unused) noexcept nogil
