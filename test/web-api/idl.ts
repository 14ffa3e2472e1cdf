/**
 * Reads the Web IDL of the specifications (./idl/*.idl, copied member by member) into the list of what must be there.
 * It knows the part of the language that those files use, and refuses a line that it does not understand.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Interface, Member } from './contract.ts'

interface Draft {
  name: string
  keyword: string
  parent: string | null
  constructorLength: number | null
  members: Map<string, Member>
}

const BLOCK =
  /(interface mixin|interface|namespace) (\w+)(?: : (\w+))? \{([^}]*(?:\{\}[^}]*)*)\};|(\w+) includes (\w+);/g

/** Every interface and namespace of the contract, in the order of the files. */
export function readInterfaces(): Interface[] {
  const folder = join(import.meta.dirname, 'idl')
  const files = readdirSync(folder).sort()
  return files.flatMap((file) => parseIdl(readFileSync(join(folder, file), 'utf8')))
}

export function parseIdl(text: string): Interface[] {
  const drafts = new Map<string, Draft>()
  const draftOf = (name: string): Draft => {
    const draft = drafts.get(name)
    if (draft === undefined) throw new Error(`IDL: ${name} is not known here`)
    return draft
  }
  for (const [, keyword, name, parent, body, includer, mixin] of text.matchAll(BLOCK)) {
    if (includer !== undefined && mixin !== undefined) {
      for (const [key, member] of draftOf(mixin).members) draftOf(includer).members.set(key, member)
      continue
    }
    const draft: Draft = {
      name: name as string,
      keyword: keyword as string,
      parent: parent ?? null,
      constructorLength: null,
      members: new Map(),
    }
    drafts.set(draft.name, draft)
    for (const line of (body as string).split('\n')) if (line.trim() !== '') addLine(draft, line.trim())
  }
  return [...drafts.values()]
    .filter(({ keyword }) => keyword !== 'interface mixin')
    .map(({ name, keyword, parent, constructorLength, members }) => ({
      name,
      isNamespace: keyword === 'namespace',
      parent,
      constructorLength,
      members: [...members.values()],
    }))
}

function addLine(draft: Draft, line: string): void {
  const isUnforgeable = line.startsWith('[LegacyUnforgeable]')
  const text = line.replace(/^\[\w+\] /, '')
  const add = (name: string, member: Partial<Member>): void => {
    const blank = { kind: 'method', isStatic: false, isReadonly: false, isUnforgeable, number: 0, type: '' }
    // Of overloads, the one with the fewest required arguments is what `length` shows.
    const key = member.isStatic === true ? `static ${name}` : name
    const known = draft.members.get(key)
    if (known !== undefined && known.number <= (member.number ?? 0)) return
    draft.members.set(key, { ...blank, ...member, name } as Member)
  }

  const constant = /^const [\w ]+ (\w+) = (\d+);$/.exec(text)
  const attribute = /^(stringifier )?(readonly )?attribute (.+) (\w+);$/.exec(text)
  const iterable = /^(async_)?iterable<(.+)>;$/.exec(text)
  const operation = /^(static )?(?:(.+?) )?(\w+)\((.*)\);$/.exec(text)
  if (constant !== null) add(constant[1] as string, { kind: 'constant', number: Number(constant[2]) })
  else if (text === 'stringifier;') add('toString', {})
  else if (attribute !== null) {
    const [, stringifier, readonly, type = '', name = ''] = attribute
    add(name, { kind: 'attribute', isReadonly: readonly !== undefined, type })
    if (stringifier !== undefined) add('toString', {})
  } else if (iterable !== null && iterable[1] !== undefined) {
    add('values', {})
    add('[Symbol.asyncIterator]', { kind: 'asyncIterator' })
  } else if (iterable !== null) {
    for (const name of ['entries', 'keys', 'values']) add(name, {})
    add('forEach', { number: 1 })
    add('[Symbol.iterator]', { kind: 'iterator' })
  } else if (operation !== null) {
    const [, isStatic, type = '', name = '', parameters = ''] = operation
    const number = requiredCount(parameters)
    if (name === 'constructor') draft.constructorLength = Math.min(draft.constructorLength ?? number, number)
    else add(name, { number, type, isStatic: isStatic !== undefined })
  } else throw new Error(`IDL: not understood: ${line}`)
}

/** Parameters before the first that is optional or variadic; commas inside brackets separate nothing. */
function requiredCount(parameters: string): number {
  const flat = parameters.replaceAll(/\[[^\]]*\] /g, '').replaceAll(/<[^()]*?>+/g, '')
  const list = flat.split(',').map((parameter) => parameter.trim())
  const first = list.findIndex((parameter) => parameter.startsWith('optional') || parameter.includes('...'))
  return parameters === '' ? 0 : first === -1 ? list.length : first
}
