import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'

const root = fileURLToPath(new URL('../../', import.meta.url))
const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .map((path) => join('docs', path)),
]

interface Block {
  readonly page: string
  readonly line: number
  readonly language: string
  readonly text: string
}

const blocks: readonly Block[] = pages.flatMap((page) => {
  const text = readFileSync(join(root, page), 'utf8')
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map((match) => ({
    page,
    line: text.slice(0, match.index).split('\n').length + 1,
    language: match[1] ?? '',
    text: match[2] ?? '',
  }))
})
const of = (...languages: readonly string[]): readonly Block[] =>
  blocks.filter(({ language }) => languages.includes(language))

describe('every block of code', () => {
  it('is in a language that is checked here or by the test of its page', () => {
    const known = [
      'ts',
      'js',
      'json',
      'yaml',
      'sh',
      'text',
      'python',
      'py',
      'sql',
      'tsx',
      'ini',
      'toml',
      'dockerfile',
      'http',
      'php',
      'java',
      'xml',
    ]
    expect(
      blocks.filter(({ language }) => !known.includes(language)).map(({ page, language }) => `${page}: ${language}`),
    ).toEqual([])
    expect(blocks.length).toBeGreaterThan(40)
  })

  it('in TypeScript compiles against what we export', { timeout: 180_000 }, () => {
    const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path))
    const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root)
    const files = new Map(
      of('ts').map((block) => [
        join(root, 'docs', `block-${block.page.replaceAll(/\W/g, '-')}-${block.line}.ts`),
        block,
      ]),
    )
    const host = ts.createCompilerHost(options)
    const { getSourceFile, fileExists } = host
    host.fileExists = (path) => files.has(path) || fileExists.call(host, path)
    host.getSourceFile = (path, version, ...rest) => {
      const block = files.get(path)
      // An export makes it a module, as the page means it.
      if (block !== undefined) return ts.createSourceFile(path, `${block.text}\nexport {}\n`, version, true)
      return getSourceFile.call(host, path, version, ...rest)
    }
    const program = ts.createProgram([...files.keys()], { ...options, ...LENIENT }, host)
    const mistakes = [...files].flatMap(([path, { page, line }]) => {
      const source = program.getSourceFile(path)
      return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]
        .filter(({ code }) => !ELSEWHERE.has(code))
        .map(({ messageText, start = 0 }) => {
          const at = line + (source?.getLineAndCharacterOfPosition(start).line ?? 0)
          return `${page}:${at} ${ts.flattenDiagnosticMessageText(messageText, ' ')}`
        })
    })
    expect(files.size).toBeGreaterThan(10)
    expect(mistakes).toEqual([])
  })

  it('in JSON and YAML can be read', () => {
    for (const { page, line, language, text } of of('json', 'yaml')) {
      expect([page, line, () => (language === 'json' ? JSON.parse(text) : parse(text))]).toSatisfy(([, , read]) => {
        ;(read as () => unknown)()
        return true
      })
    }
  })

  it('for a shell calls commands that there are, with options that they have', () => {
    const main = join(root, 'src', 'cli', 'main.ts')
    const { stdout } = spawnSync(
      process.execPath,
      ['--import', import.meta.resolve('tsx'), main, 'completion', 'bash'],
      { encoding: 'utf8' },
    )
    const words = new Map(
      [...stdout.matchAll(/^ {4}'([^']*)'\) words='([^']*)' ;;$/gm)].map(([, path = '', list = '']) => [
        path,
        new Set(list.split(' ')),
      ]),
    )
    expect(words.size).toBeGreaterThan(30)
    const calls = of('sh').flatMap(({ page, text }) =>
      text
        .replaceAll('\\\n', ' ')
        .split('\n')
        .flatMap((line) =>
          line
            .replaceAll(/'[^']*'|"[^"]*"/g, 'QUOTED')
            .replace(/\s#.*$/, '')
            .split(/\||&&|;/),
        )
        .map((call) => /^(?:\w+=\S+ )*(?:npx )?spindle(?:-mq)? (.*)$/.exec(call.trim())?.[1])
        .filter((call) => call !== undefined)
        .map((call) => ({ page, call })),
    )
    expect(calls.length).toBeGreaterThan(20)
    const mistakes = calls.flatMap(({ page, call }) => {
      let path = ''
      const unknown: string[] = []
      for (const word of call.split(/\s+/)) {
        const next = `${path} ${word}`.trim()
        if (words.has(next)) path = next
        else if (word.startsWith('--') && words.get(path)?.has(word.split('=')[0] ?? '') !== true) unknown.push(word)
      }
      return path === '' || unknown.length > 0
        ? [`${page}: spindle ${call} (${unknown.join(' ') || 'no such command'})`]
        : []
    })
    expect(mistakes).toEqual([])
  })
})

/** Readers have rules of their own about what is unused, or how an index is written. */
const LENIENT = {
  noEmit: true,
  noUnusedLocals: false,
  noUnusedParameters: false,
  noPropertyAccessFromIndexSignature: false,
}

/** Names and packages that a page takes as given: what is ours is imported and checked, since `spindle-mq` resolves. */
const ELSEWHERE = new Set([
  2304, // a name that an earlier block, or the reader, has
  2307, // a package that is not installed here
  18004, // the same, in short form
  2552, // the same, with a suggestion
  7016, // a package without types
  7006, // a parameter whose type such a name would give
  7031,
])
