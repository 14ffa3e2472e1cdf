/** What a template of `vela init` is. Kept small: a reader should see all of a service's shape in one screen. */

export interface Template {
  /** One line, for the choice. */
  readonly hint: string
  /** Text of vela.jsonc; `{{name}}` is the service's name, here and in the other texts. */
  readonly manifest: string
  /** src/index.ts */
  readonly source: string
  /** test/service.test.ts */
  readonly test: string
  /** Packages that are bundled into the service, with their versions. */
  readonly dependencies?: Readonly<Record<string, string>>
  /** A command that shows what it does, once `vela dev` runs. */
  readonly try: string
}
