/** DOMException (Web IDL): an Error with a name from a closed list and its legacy code. */
const NAMES =
  'IndexSize DOMStringSize HierarchyRequest WrongDocument InvalidCharacter NoDataAllowed NoModificationAllowed ' +
  'NotFound NotSupported InUseAttribute InvalidState Syntax InvalidModification Namespace InvalidAccess Validation ' +
  'TypeMismatch Security Network Abort URLMismatch QuotaExceeded Timeout InvalidNodeType DataClone'

const constantOf = (name: string): string => {
  // The constants break words where the names do not: DOMSTRING_SIZE_ERR, INUSE_ATTRIBUTE_ERR, URL_MISMATCH_ERR.
  const words = name
    .replace('DOMString', 'Domstring')
    .replace('InUse', 'Inuse')
    .replace('URL', 'Url')
    .replace('TypeMismatch', 'Type_Mismatch')
  return `${words.replace(/([a-z])([A-Z])/g, '$1_$2').toUpperCase()}_ERR`
}

export class DOMException extends Error {
  readonly #name: string
  readonly #message: string

  constructor(message: string = '', options: string | { name?: string; cause?: unknown } = 'Error') {
    super()
    this.#message = `${message}`
    this.#name = typeof options === 'object' ? `${options.name ?? 'Error'}` : `${options}`
    if (typeof options === 'object' && 'cause' in options) {
      Object.defineProperty(this, 'cause', {
        value: options.cause,
        writable: true,
        configurable: true,
        enumerable: false,
      })
    }
    // The stack was taken before the name and message existed: give its first line what a reader looks for.
    const { stack } = this
    const frames = typeof stack === 'string' ? stack.indexOf('\n    at ') : -1
    if (frames !== -1) {
      const title = this.#message === '' ? this.#name : `${this.#name}: ${this.#message}`
      Object.defineProperty(this, 'stack', {
        value: title + (stack as string).slice(frames),
        writable: true,
        configurable: true,
        enumerable: false,
      })
    }
  }

  override get name(): string {
    return this.#name
  }

  override get message(): string {
    return this.#message
  }

  get code(): number {
    const name = this.#name
    return name.endsWith('Error') ? NAMES.split(' ').indexOf(name.slice(0, -5)) + 1 : 0
  }
}

/** Adds the 25 legacy constants; called when the class is first used, since hardly anybody reads them. */
export function defineConstants(): void {
  NAMES.split(' ').forEach((name, index) => {
    const descriptor = { value: index + 1, enumerable: true }
    Object.defineProperty(DOMException, constantOf(name), descriptor)
    Object.defineProperty(DOMException.prototype, constantOf(name), descriptor)
  })
}

export const domException = (name: string, message: string): DOMException => new DOMException(message, name)

const NATIVE_ERRORS: Readonly<Record<string, new (message: string) => Error>> = {
  TypeError,
  RangeError,
  SyntaxError,
}

/** An error of that name, whose own properties no patched prototype shapes. */
export function nameError(name: string, message: string): Error {
  const Native = Object.hasOwn(NATIVE_ERRORS, name) ? NATIVE_ERRORS[name] : undefined
  if (Native !== undefined) return new Native(message)
  if (name.endsWith('Error') && NAMES.split(' ').includes(name.slice(0, -5)))
    return domException(name, message)
  const error = new Error(message)
  if (name !== 'Error') {
    Object.defineProperty(error, 'name', {
      value: name,
      writable: true,
      configurable: true,
      enumerable: false,
    })
  }
  return error
}
