/** What the specifications ask for, as idl.ts reads it on the host's side and members.ts holds a guest to it. */
export interface Member {
  readonly name: string
  readonly kind: 'attribute' | 'method' | 'constant' | 'iterator' | 'asyncIterator'
  readonly isStatic: boolean
  /** Attributes: has no setter. */
  readonly isReadonly: boolean
  /** Attributes: on each instance instead of the prototype. */
  readonly isUnforgeable: boolean
  /** Methods: how many arguments are required, which is `length`. Constants: the value. */
  readonly number: number
  /** The declared type; a member of Promise type rejects where others throw. */
  readonly type: string
}

export interface Interface {
  readonly name: string
  readonly isNamespace: boolean
  readonly parent: string | null
  /** How many arguments the constructor requires; null: there is none for programs. */
  readonly constructorLength: number | null
  readonly members: readonly Member[]
}
