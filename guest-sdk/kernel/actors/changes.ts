/** What is to be written: the entries of one actor that changed since they last were durable, and its alarm. */
import { TextMap } from './intrinsics.ts'

export class Changes {
  /** The encoded value; null: deleted. */
  readonly entries: TextMap<string | null> = new TextMap<string | null>()
  /** Everything was deleted before what `entries` says. */
  all = false
  /** Undefined: unchanged; null: none. */
  alarmMs: number | null | undefined = undefined
  /** Written even if nothing else changed: the version of the class is new. */
  upgraded = false
  /** Of keys and values, about. */
  characters = 0

  get isEmpty(): boolean {
    return this.entries.size === 0 && !this.all && this.alarmMs === undefined && !this.upgraded
  }

  set(key: string, text: string | null): void {
    this.entries.set(key, text)
    this.characters += key.length + (text?.length ?? 0)
  }

  /** What comes after these. */
  add(later: Changes): void {
    if (later.all) {
      this.entries.each((_text, key) => this.entries.delete(key))
      this.all = true
      this.characters = 0
    }
    later.entries.each((text, key) => this.set(key, text))
    if (later.alarmMs !== undefined) this.alarmMs = later.alarmMs
    if (later.upgraded) this.upgraded = true
  }

  /** The third argument of `write` (docs/protocol.md). */
  toChange(version: number): object {
    const puts: [string, string][] = []
    const deletes: string[] = []
    this.entries.each((text, key) => {
      if (text !== null) puts[puts.length] = [key, text]
      else if (!this.all) deletes[deletes.length] = key
    })
    return {
      version,
      puts,
      deletes,
      ...(this.all ? { deleteAll: true } : {}),
      ...(this.alarmMs === undefined ? {} : { alarmMs: this.alarmMs }),
    }
  }
}
