/**
 * Which replica a key prefers: the same one each time, and as replicas come and go only the keys of those move
 * (rendezvous hashing).
 */

/** The member with the highest hash of key and index; `members` is not empty. */
export function preferred<Member extends { readonly index: number }>(
  members: readonly Member[],
  key: string,
): Member {
  const base = hashOf(key)
  let best = members[0] as Member
  let highest = -1
  for (const member of members) {
    const weight = mix(base ^ Math.imul(member.index + 1, 0x9e37_79b1))
    if (weight > highest) {
      highest = weight
      best = member
    }
  }
  return best
}

/** FNV-1a over the first characters: keys are short, and a long one must not cost. */
function hashOf(key: string): number {
  let hash = 0x811c_9dc5
  for (let at = 0; at < key.length && at < MOST_CHARACTERS; at++) {
    hash = Math.imul(hash ^ key.charCodeAt(at), 0x0100_0193)
  }
  return hash
}

const MOST_CHARACTERS = 256

/** The end of MurmurHash3: neighbours in, strangers out. */
function mix(value: number): number {
  let hash = value
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
