"""How this build of the compiled core was made."""

cdef extern from *:
    """
    #if CYTHON_TRACE_NOGIL
    #define VMCORE_PROFILE_NAME "trace"
    #elif VMCORE_DEBUG
    #define VMCORE_PROFILE_NAME "debug"
    #else
    #define VMCORE_PROFILE_NAME "release"
    #endif

    #if defined(__clang__)
    #define VMCORE_COMPILER "clang " __clang_version__
    #elif defined(__GNUC__)
    #define VMCORE_COMPILER "gcc " __VERSION__
    #else
    #define VMCORE_COMPILER "unknown"
    #endif

    #if defined(__SANITIZE_ADDRESS__)
    #define VMCORE_SANITIZER "address"
    #elif defined(__SANITIZE_THREAD__)
    #define VMCORE_SANITIZER "thread"
    #else
    #define VMCORE_SANITIZER ""
    #endif
    """
    const char *VMCORE_PROFILE_NAME
    const char *VMCORE_COMPILER
    const char *VMCORE_SANITIZER

cdef extern from "engine_id.h":
    const char *VMCORE_ENGINE_ID

from vmcore._fast.defs cimport VMCORE_SWITCH_LOOP

PROFILE = VMCORE_PROFILE_NAME.decode()
COMPILER = VMCORE_COMPILER.decode()
SANITIZER = VMCORE_SANITIZER.decode()
DISPATCH = "loop" if VMCORE_SWITCH_LOOP else "tail calls"
ENGINE = VMCORE_ENGINE_ID.decode()
