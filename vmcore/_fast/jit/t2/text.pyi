"""Graphs as text.

The grammar, with literals in quotes and everything after ``;`` on a line left out::

    region   = ["region" {"insns" INT | "fpu"}] {block}
    block    = BLOCK ["(" [arg {"," arg}] ")"] ["@" INT] ":" {node} end
    arg      = NODE "." TYPE
    node     = [NODE "="] OP ["." TYPE] [value {"," value}] ["#" INT] {mark} [snap]
    mark     = "size" INT | "mode" INT | "write" | "signed" | "early" | "covered" | "remat"
    value    = NODE | INT
    end      = "goto" edge | "branch" value "," edge "," edge | "leave" snap | "leave_to" value snap
    edge     = BLOCK ["(" [value {"," value}] ")"]
    snap     = "[" ("next" | "step") INT ["count" INT] ["insn" INT] ":" {REGISTER "=" value} "]"
"""
