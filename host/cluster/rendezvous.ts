/** Rendezvous hashing: each key falls to the node with the highest score, and a node that goes moves only its own keys. */

/** Undefined when there is no node. The same answer whatever the order of `nodes`. */
export function rendezvous(key: string, nodes: Iterable<string>): string | undefined {
  let best: string | undefined
  let highest = -1
  for (const node of nodes) {
    const score = scoreOf(node, key)
    if (score > highest || (score === highest && node > (best as string))) {
      best = node
      highest = score
    }
  }
  return best
}

/** FNV-1a over both, then murmur's finish: FNV alone leaves the last characters in the low bits. */
function scoreOf(node: string, key: string): number {
  let hash = mix(0x811c9dc5, node)
  hash = mix(Math.imul(hash ^ 0xff, 0x01000193), key)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

function mix(start: number, text: string): number {
  let hash = start
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return hash
}
