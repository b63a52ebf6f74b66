# A graph as text, and back (grammar: text.pyx).

from vmcore._fast.jit.t2.ir cimport Graph

# With `renumber` nodes and blocks are numbered as they are printed, so that texts can be compared; else as they are.
cdef str graph_text(const Graph *g, bint renumber)
# Into a graph that is empty. ConfigError: the text is none; MemoryError.
cdef int read_graph(Graph *g, str text) except -1
