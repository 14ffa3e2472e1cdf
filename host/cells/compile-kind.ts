/** What a cell that runs no guest can make: a service's code cache for V8, V8's kernel snapshot, QuickJS's kernel image. */
export type CompileKind = keyof typeof COMPILE_KINDS

/** `a` of a COMPILE frame. */
export const COMPILE_KINDS = { service: 0, kernel: 1, quickjs: 2 } as const
