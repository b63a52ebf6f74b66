# A graph as text, and back (grammar: text.pyx).

from vmcore._fast.jit.t2.ir cimport Graph

# With `renumber` nodes and blocks are numbered as they are printed, so that texts can be compared; else as they are.
cdef str graph_text(const Graph *g, bint renumber)
# The lines of that, numbered as they are, each with the number of its node (0: it is no node's).
cdef list graph_lines(const Graph *g)
# Into a graph that is empty. ConfigError: the text is none; MemoryError.
cdef int read_graph(Graph *g, str text) except -1
