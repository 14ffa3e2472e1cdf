/** FormData (XMLHttpRequest Standard). */
import { definePairs, type PairIterable } from '../pair-iterator.ts'
import type { BlobKit, File } from './blob.ts'

export type FormValue = string | File
export type FormEntry = [name: string, value: FormValue]

export interface FormData extends PairIterable<FormValue> {
  append(name: string, value: unknown, filename?: string): void
  delete(name: string): void
  get(name: string): FormValue | null
  getAll(name: string): FormValue[]
  has(name: string): boolean
  set(name: string, value: unknown, filename?: string): void
  [Symbol.iterator](): IterableIterator<FormEntry>
}

export interface FormDataKit {
  readonly FormData: new () => FormData
  entriesOf(value: unknown): FormEntry[] | undefined
}

export function createFormData(blobs: BlobKit): FormDataKit {
  let entriesOf!: FormDataKit['entriesOf']

  const usv = (value: unknown): string => String(value).toWellFormed()

  function entry(args: ArrayLike<unknown>, method: string): FormEntry {
    if (args.length < 2) throw new TypeError(`FormData.${method}: 2 arguments are required`)
    const [name, value, filename] = Array.from(args)
    const parts = blobs.partsOf(value)
    if (parts === undefined) {
      if (args.length > 2) throw new TypeError(`FormData.${method}: a file name needs a Blob`)
      return [usv(name), usv(value)]
    }
    if (parts.name !== undefined && filename === undefined) return [usv(name), value as File]
    const title = filename === undefined ? (parts.name ?? 'blob') : usv(filename)
    const options = {
      type: parts.type,
      ...(parts.name === undefined ? {} : { lastModified: parts.lastModified }),
    }
    return [usv(name), new blobs.File([value], title, options)]
  }

  class FormData {
    #entries: FormEntry[] = []

    static {
      entriesOf = (value) =>
        typeof value === 'object' && value !== null && #entries in value ? value.#entries : undefined
      definePairs<FormValue>(FormData.prototype, 'FormData', (self) => (self as FormData).#entries)
    }

    constructor(form: unknown = undefined) {
      if (form !== undefined) throw new TypeError('FormData: there are no form elements here')
    }

    append(_name: string, _value: unknown): void {
      this.#entries.push(entry(arguments, 'append'))
    }
    set(_name: string, _value: unknown): void {
      const fresh = entry(arguments, 'set')
      const at = this.#entries.findIndex(([name]) => name === fresh[0])
      if (at === -1) this.#entries.push(fresh)
      else
        this.#entries = this.#entries.flatMap((old, i) =>
          i === at ? [fresh] : old[0] === fresh[0] ? [] : [old],
        )
    }
    delete(name: string): void {
      required(arguments.length, 'delete')
      const key = usv(name)
      this.#entries = this.#entries.filter((old) => old[0] !== key)
    }
    get(name: string): FormValue | null {
      required(arguments.length, 'get')
      const key = usv(name)
      return this.#entries.find((old) => old[0] === key)?.[1] ?? null
    }
    getAll(name: string): FormValue[] {
      required(arguments.length, 'getAll')
      const key = usv(name)
      return this.#entries.filter((old) => old[0] === key).map((old) => old[1])
    }
    has(name: string): boolean {
      required(arguments.length, 'has')
      const key = usv(name)
      return this.#entries.some((old) => old[0] === key)
    }
  }

  return { FormData: FormData as unknown as FormDataKit['FormData'], entriesOf }
}

function required(given: number, method: string): void {
  if (given === 0) throw new TypeError(`FormData.${method}: 1 argument is required, 0 given`)
}
