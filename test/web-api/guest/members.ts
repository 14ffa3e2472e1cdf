/** Looks at what a guest really finds, member by member, with the eyes of Web IDL's ECMAScript binding. */
import type { Interface, Member } from '../contract.ts'

/** What is wrong with each member; '' when nothing is. The names are the rows of the page. */
export type MemberReport = Record<string, string>

type Bag = Record<PropertyKey, unknown>

const global = globalThis as unknown as Bag

export function checkMembers(contract: Interface): MemberReport {
  const { name, isNamespace, parent, constructorLength, members } = contract
  const report: MemberReport = {}
  const value = name === 'globalThis' ? globalThis : global[name]
  const note = (row: string, look: () => string): void => {
    if (value === undefined || value === null) {
      report[row] = `${name} is not there`
      return
    }
    try {
      report[row] = look()
    } catch (error) {
      report[row] = String(error)
    }
  }
  if (isNamespace) {
    note(name, () => (typeof value === 'object' ? '' : 'is no object'))
    for (const member of members) note(rowOf(member), () => checkNamespaceMember(value as Bag, member))
    return report
  }
  note(name, () => checkInterface(name, parent))
  note('constructor', () => checkConstructor(name, value as () => void, constructorLength))
  for (const member of members) note(rowOf(member), () => checkMember(name, value as Bag, member))
  return report
}

export function rowOf({ name, kind, isStatic }: Member): string {
  if (isStatic) return `static ${name}()`
  return kind === 'method' ? `${name}()` : name
}

function checkInterface(name: string, parent: string | null): string {
  const constructor = global[name] as Bag
  const descriptor = Object.getOwnPropertyDescriptor(globalThis, name)
  if (typeof constructor !== 'function') return 'is no function'
  if (descriptor?.enumerable !== false || descriptor.writable !== true || descriptor.configurable !== true) {
    return 'the global is not writable, configurable and not enumerable'
  }
  if (constructor['name'] !== name) return `is called ${String(constructor['name'])}`
  const prototype = constructor['prototype'] as Bag
  if (Object.getOwnPropertyDescriptor(constructor, 'prototype')?.writable !== false)
    return 'prototype is writable'
  if (prototype['constructor'] !== constructor) return 'prototype.constructor is another'
  const tag = Object.getOwnPropertyDescriptor(prototype, Symbol.toStringTag)
  if (tag?.value !== name || tag.writable === true || tag.enumerable === true) return 'no proper toStringTag'
  if (name === 'DOMException') {
    return Object.getPrototypeOf(prototype) === Error.prototype ? '' : 'does not inherit Error.prototype'
  }
  const above = parent === null ? Object.prototype : ((global[parent] as Bag)['prototype'] as object)
  if (Object.getPrototypeOf(prototype) !== above) return `does not inherit ${parent ?? 'Object'}`
  const aboveConstructor = parent === null ? Function.prototype : global[parent]
  return Object.getPrototypeOf(constructor) === aboveConstructor ? '' : 'the constructor inherits another'
}

function checkConstructor(name: string, constructor: () => void, wanted: number | null): string {
  if (constructor.length !== (wanted ?? 0)) return `length is ${constructor.length}`
  const error = thrownBy(() => constructor())
  if (!(error instanceof TypeError)) return `${name}() without new throws ${String(error)}`
  if (wanted === 0) return ''
  const bare = thrownBy(() => Reflect.construct(constructor, []))
  return bare instanceof TypeError ? '' : `new ${name}() throws ${String(bare)}`
}

function checkNamespaceMember(object: Bag, { name, kind, number, type }: Member): string {
  if (!(name in object)) return 'is not there'
  const value = object[name]
  if (kind === 'method') return checkFunction(name, value, number)
  if (type === 'function') return typeof value === 'function' ? '' : 'is no function'
  if (type === 'DOMString') return typeof value === 'string' ? '' : 'is no string'
  const isHandler = type.includes('EventHandler')
  if (isHandler) return value === null ? '' : `is ${typeof value} at first, not null`
  return typeof value === 'object' ? '' : `is ${typeof value}`
}

function checkMember(interfaceName: string, constructor: Bag, member: Member): string {
  const { name, kind, isStatic, isUnforgeable, number } = member
  const prototype = constructor['prototype'] as Bag
  if (kind === 'iterator' || kind === 'asyncIterator') {
    const isAsync = kind === 'asyncIterator'
    const key = isAsync ? Symbol.asyncIterator : Symbol.iterator
    const descriptor = Object.getOwnPropertyDescriptor(prototype, key)
    if (descriptor === undefined) return 'is not there'
    if (descriptor.enumerable === true) return 'is enumerable'
    return descriptor.value === prototype[isAsync ? 'values' : 'entries'] ? '' : 'is another function'
  }
  const holder = isStatic ? constructor : prototype
  if (isUnforgeable) {
    const own = Object.getOwnPropertyDescriptor(new Event('x'), name)
    return own?.get !== undefined && own.configurable === false ? '' : 'is not on the instance'
  }
  const descriptor = Object.getOwnPropertyDescriptor(holder, name)
  if (descriptor === undefined) return 'is not there'
  if (descriptor.enumerable !== true) return 'is not enumerable'
  if (kind === 'constant') {
    const other = Object.getOwnPropertyDescriptor(constructor, name)
    if (other?.value !== number || descriptor.value !== number) return `is ${String(descriptor.value)}`
    return descriptor.writable === true || descriptor.configurable === true ? 'is not constant' : ''
  }
  if (descriptor.configurable !== true) return 'is not configurable'
  if (kind === 'method') {
    if (descriptor.writable !== true) return 'is not writable'
    return checkFunction(name, descriptor.value, number)
  }
  return checkAttribute(interfaceName, member, descriptor)
}

function checkFunction(name: string, value: unknown, length: number): string {
  if (typeof value !== 'function') return `is ${typeof value}`
  if (value.name !== name) return `is called ${value.name}`
  return value.length === length ? '' : `length is ${value.length}, not ${length}`
}

function checkAttribute(
  interfaceName: string,
  { name, isReadonly, type }: Member,
  { get, set }: PropertyDescriptor,
): string {
  if (get === undefined) return 'is no accessor'
  if (get.name !== `get ${name}`) return `the getter is called ${get.name}`
  if ((set === undefined) !== isReadonly) return set === undefined ? 'has no setter' : 'has a setter'
  // A brand check: the getter refuses what is no instance. Promises reject instead of throwing.
  if (type.startsWith('Promise')) {
    const answer = Reflect.apply(get, {}, []) as unknown
    if (!(answer instanceof Promise)) return 'gives no promise'
    answer.catch(() => undefined)
    return ''
  }
  const error = thrownBy(() => Reflect.apply(get, {}, []) as unknown)
  return error instanceof TypeError ? '' : `works on what is no ${interfaceName}`
}

function thrownBy(run: () => unknown): unknown {
  try {
    run()
    return undefined
  } catch (error) {
    return error
  }
}
