/** The files of a new service: its template's own, and what all have in common. */
import { join, relative, resolve, sep } from 'node:path'
import { readVelaVersion } from '../../core/version.ts'
import type { Manifest } from '../../registry/types.ts'
import { envTypes } from '../env-types.ts'
import { cron } from './cron.ts'
import { hello } from './hello.ts'
import { hono } from './hono.ts'
import { plugin } from './plugin.ts'
import type { Template } from './template.ts'

export const TEMPLATES: Readonly<Record<string, Template>> = { hello, hono, plugin, cron }

/** The manifest's text, which the caller reads, and gives to `templateFiles`. */
export const manifestText = ({ manifest }: Template, name: string): string => fill(manifest, name)

/** Text by path relative to `folder`. */
export function templateFiles(
  template: Template,
  manifest: Manifest,
  folder: string,
): Readonly<Record<string, string>> {
  const { name } = manifest
  return {
    'vela.jsonc': manifestText(template, name),
    'src/index.ts': template.source,
    'test/service.test.ts': template.test,
    'package.json': json(packageOf(template, name, folder)),
    'tsconfig.json': json(TSCONFIG),
    'vela-env.d.ts': envTypes(manifest),
    'README.md': fill(README.replace('{{try}}', template.try), name),
    '.gitignore': 'node_modules/\n.vela/\n',
  }
}

const fill = (text: string, name: string): string => text.replaceAll('{{name}}', name)
const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`

/** The project's root: a clone, or the installed package. */
const HOME = resolve(import.meta.dirname, '..', '..', '..')

function packageOf({ dependencies }: Template, name: string, folder: string): object {
  return {
    name,
    version: '0.1.0',
    private: true,
    type: 'module',
    scripts: {
      dev: 'vela dev',
      test: 'vitest run',
      check: 'tsc && vela types --check',
      types: 'vela types',
    },
    ...(dependencies === undefined ? {} : { dependencies }),
    devDependencies: {
      '@vela/guest-sdk': velaPackage('guest-sdk', folder),
      typescript: '^7.0.2',
      'vela-runtime': velaPackage('', folder),
      vitest: '^4.1.12',
    },
  }
}

/** Written by a clone, a service uses that clone; else what npm has of the version that writes this. */
function velaPackage(part: string, folder: string): string {
  if (HOME.split(sep).includes('node_modules')) return `^${readVelaVersion()}`
  return `file:${relative(folder, join(HOME, part)).split(sep).join('/')}`
}

const TSCONFIG = {
  compilerOptions: {
    target: 'es2024',
    lib: ['es2024', 'esnext.disposable', 'webworker'],
    module: 'esnext',
    moduleResolution: 'bundler',
    allowImportingTsExtensions: true,
    noEmit: true,
    strict: true,
    skipLibCheck: true,
    types: [],
  },
  include: ['src', 'test', 'vela-env.d.ts'],
}

const README = `# {{name}}

A service for [Vela](https://www.npmjs.com/package/vela-runtime): \`src/index.ts\`. \`vela.jsonc\` declares what it is and what it may do.

\`\`\`sh
npm install
npm test                             # in the real sandbox, from test/
npx vela dev                         # run it here; edits are deployed as you save
{{try}}
npx vela types                       # after a change of vela.jsonc: the type of env
npx vela deploy . --tenant demo      # to a running host (\`npx vela start\`)
npx vela tail demo/{{name}}          # its live log
\`\`\`
`
