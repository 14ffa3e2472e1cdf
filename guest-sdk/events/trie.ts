/**
 * Patterns by their tokens, so that what matches a subject is found without looking at the rest. What was found is kept for the next
 * event of the subject. Threat: subjects are chosen by guests, so what is kept is bounded by weight, however many there are and however
 * much matches each; and a subject that is not kept costs at most a walk over the nodes that its tokens reach.
 */
import { tokensOf } from './subject.ts'

export interface SubjectTrie<Item, Found = readonly Item[]> {
  /** How many items there are. */
  readonly size: number
  /** The pattern is taken as checked. Returns what removes the item; the second call does nothing. */
  add(pattern: string, item: Item): () => void
  /** Not to be changed. */
  match(subject: string): Found
}

export interface TrieOptions<Item, Found> {
  /** Made of the items that match, once for each time that they are looked up and not known. */
  readonly plan: (items: readonly Item[]) => Found
  /** Subjects and their items that are kept, at most; 32,768 if not given. */
  readonly keep?: number
}

interface Node<Item> {
  readonly parent: Node<Item> | undefined
  readonly token: string
  /** Undefined until there is one: most nodes are leaves, and there are very many. */
  children: Map<string, Node<Item>> | undefined
  /** Of patterns that end here. Each is wrapped, so that an item may be there twice. */
  items: Set<{ readonly item: Item }> | undefined
}

interface Kept<Found> {
  readonly found: Found
  readonly cost: number
}

const KEEP = 32_768
const STAR = '*'
const REST = '>'

export function createSubjectTrie<Item>(): SubjectTrie<Item>
export function createSubjectTrie<Item, Found>(options: TrieOptions<Item, Found>): SubjectTrie<Item, Found>
export function createSubjectTrie<Item>(
  { plan, keep = KEEP }: TrieOptions<Item, unknown> = { plan: (items) => items },
): SubjectTrie<Item, unknown> {
  const root = createNode<Item>(undefined, '')
  // Two generations: what is asked for moves to the younger, the rest goes with the older. Each has at most half of the weight.
  let young = new Map<string, Kept<unknown>>()
  let old = new Map<string, Kept<unknown>>()
  let weight = 0
  let size = 0

  const forget = (): void => {
    if (young.size + old.size === 0) return
    young = new Map()
    old = new Map()
    weight = 0
  }

  const note = (subject: string, kept: Kept<unknown>): void => {
    if (kept.cost > keep / 2) return
    if (weight + kept.cost > keep / 2) {
      old = young
      young = new Map()
      weight = 0
    }
    young.set(subject, kept)
    weight += kept.cost
  }

  return {
    get size() {
      return size
    },
    add(pattern, item) {
      let node = root
      for (const token of tokensOf(pattern)) node = childOf(node, token)
      const entry = { item }
      ;(node.items ??= new Set()).add(entry)
      size++
      forget()
      return () => {
        if (node.items?.delete(entry) !== true) return
        size--
        prune(node)
        forget()
      }
    },
    match(subject) {
      let kept = young.get(subject)
      if (kept !== undefined) return kept.found
      kept = old.get(subject)
      if (kept === undefined) {
        const items: Item[] = []
        collect(root, tokensOf(subject), 0, items)
        kept = { found: plan(items), cost: 1 + items.length }
      }
      note(subject, kept)
      return kept.found
    },
  }
}

function createNode<Item>(parent: Node<Item> | undefined, token: string): Node<Item> {
  return { parent, token, children: undefined, items: undefined }
}

function childOf<Item>(node: Node<Item>, token: string): Node<Item> {
  const children = (node.children ??= new Map())
  let child = children.get(token)
  if (child === undefined) {
    child = createNode(node, token)
    children.set(token, child)
  }
  return child
}

/** Nodes that lead nowhere go. */
function prune<Item>(last: Node<Item>): void {
  for (let node = last; isEmpty(node.items) && isEmpty(node.children); node = node.parent) {
    if (node.parent === undefined) return
    node.parent.children?.delete(node.token)
  }
}

const isEmpty = (held: { readonly size: number } | undefined): boolean =>
  held === undefined || held.size === 0

function collect<Item>(node: Node<Item>, tokens: readonly string[], at: number, items: Item[]): void {
  const token = tokens[at]
  if (token === undefined) return push(node, items)
  const { children } = node
  if (children === undefined) return
  const rest = children.get(REST)
  if (rest !== undefined) push(rest, items)
  const literal = children.get(token)
  if (literal !== undefined) collect(literal, tokens, at + 1, items)
  const star = children.get(STAR)
  if (star !== undefined) collect(star, tokens, at + 1, items)
}

function push<Item>(node: Node<Item>, items: Item[]): void {
  if (node.items !== undefined) for (const { item } of node.items) items.push(item)
}
