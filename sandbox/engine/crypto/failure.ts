/** A refusal whose name and message a guest gets to see, as a DOMException of that name. */
export type FailureKind = 'DataError' | 'OperationError' | 'NotSupportedError' | 'InvalidAccessError'

export class CryptoFailure extends Error {
  readonly kind: FailureKind

  constructor(kind: FailureKind, message: string) {
    super(message)
    this.kind = kind
  }
}

/** @throws {CryptoFailure} always */
export function fail(kind: FailureKind, message: string): never {
  throw new CryptoFailure(kind, message)
}
