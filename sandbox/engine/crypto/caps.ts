/**
 * What one cryptographic call may cost. The engine's timer cannot interrupt a native operation, and the host's stopwatch
 * ends the whole cell, so each bound keeps a single call within about a second. docs/limits.md lists them.
 */

/** Of one argument of a call: data, key, salt … */
export const MAX_INPUT_BYTES: number = 32 * 1024 * 1024
/** Iterations times blocks of output: how often PBKDF2 runs its HMAC. */
export const MAX_PBKDF2_ROUNDS: number = 1_500_000
export const MIN_RSA_BITS: number = 512
export const MAX_RSA_GENERATED_BITS: number = 4096
/** Using a key costs far less than finding its primes. */
export const MAX_RSA_BITS: number = 8192
