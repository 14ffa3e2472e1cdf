/** What `vela init` writes. Kept small: a reader should see all of Vela's shape in one screen. */

/** Text by path relative to the new folder. */
export function templateFiles(name: string): Readonly<Record<string, string>> {
  return {
    'vela.jsonc': MANIFEST.replaceAll('{{name}}', name),
    'src/index.ts': SOURCE,
    'package.json': `${JSON.stringify({ name, version: '0.1.0', private: true, type: 'module' }, null, 2)}\n`,
    'tsconfig.json': `${JSON.stringify(TSCONFIG, null, 2)}\n`,
    'README.md': README.replaceAll('{{name}}', name),
  }
}

const MANIFEST = `{
  // What this service is and may do. Nothing is granted unless it is asked for here.
  "name": "{{name}}",
  "main": "src/index.ts",
  "vars": { "GREETING": "Hello" }
}
`

const SOURCE = `interface Env {
  readonly GREETING: string
}

export default {
  /** Answers every HTTP request to this service. */
  fetch(request: Request, env: Env): Response {
    const name = new URL(request.url).searchParams.get('name') ?? 'world'
    console.log('greeting', name)
    return Response.json({ message: \`\${env.GREETING}, \${name}!\` })
  },
}
`

const TSCONFIG = {
  compilerOptions: {
    target: 'es2024',
    lib: ['es2024', 'webworker'],
    module: 'esnext',
    moduleResolution: 'bundler',
    noEmit: true,
    strict: true,
    types: [],
  },
  include: ['src'],
}

const README = `# {{name}}

A service for Vela.

\`\`\`sh
vela dev                          # run it here; edits are deployed as you save
vela deploy . --tenant demo       # deploy it to a running host
vela tail demo/{{name}}           # its live log
\`\`\`

\`vela.jsonc\` declares what the service is and what it may do; \`src/index.ts\` is the service.
`
