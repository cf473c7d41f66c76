// Scittle compiles hot code with `new Function` where it may. The page's policy forbids it, and this says so before it tries.
globalThis.SCI_DISABLE_JIT = true;
