/**
 * What /proc tells of a contender's processes: who belongs to it, its memory, its CPU time.
 * Processes come and go while it is read; one that is gone counts as nothing.
 */
import { readdirSync, readFileSync } from 'node:fs'

/** `root` and all its descendants that live now, parents before children. */
export function processTree(root: number): number[] {
  const childrenOf = new Map<number, number[]>()
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const parent = statFields(Number(entry))?.[1]
    if (parent === undefined) continue
    const siblings = childrenOf.get(Number(parent))
    if (siblings) siblings.push(Number(entry))
    else childrenOf.set(Number(parent), [Number(entry)])
  }
  const tree = statFields(root) ? [root] : []
  for (const pid of tree) tree.push(...(childrenOf.get(pid) ?? []))
  return tree
}

export interface Memory {
  readonly rssBytes: number
  /** Proportional: a page shared by n processes counts 1/n in each. */
  readonly pssBytes: number
  /** Pages that no other process has. */
  readonly privateBytes: number
}

export function memoryOf(pids: readonly number[]): Memory {
  let rssBytes = 0
  let pssBytes = 0
  let privateBytes = 0
  for (const pid of pids) {
    const text = readText(`/proc/${pid}/smaps_rollup`)
    rssBytes += kilobytes(text, 'Rss')
    pssBytes += kilobytes(text, 'Pss')
    privateBytes += kilobytes(text, 'Private_Clean') + kilobytes(text, 'Private_Dirty')
  }
  return { rssBytes, pssBytes, privateBytes }
}

/** Resident memory alone; cheap enough to sample while a load runs. */
export function residentBytes(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + kilobytes(readText(`/proc/${pid}/status`), 'VmRSS'), 0)
}

/** User and system time in clock ticks. */
export function cpuTicks(pid: number): number {
  const fields = statFields(pid)
  return fields ? Number(fields[11]) + Number(fields[12]) : 0
}

/** The fields of /proc/<pid>/stat after the command, which may itself hold spaces and parentheses. */
function statFields(pid: number): string[] | undefined {
  const text = readText(`/proc/${pid}/stat`)
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return text === '' || fields[0] === 'Z' ? undefined : fields
}

function kilobytes(text: string, key: string): number {
  const match = new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(text)
  return match ? Number(match[1]) * 1024 : 0
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
