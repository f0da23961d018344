import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }

const root = fileURLToPath(new URL('../..', import.meta.url))
const LINES_MAX = 500

/** Tracked files and new ones that are not ignored: a rule must speak before the commit, not after it. */
const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root })
  .toString()
  .split('\0')
  .filter((path) => path !== '' && existsSync(root + path))
const sources = files.filter((path) => path.startsWith('src/') && path.endsWith('.ts'))
const code = files.filter((path) => /\.(ts|mjs|js)$/.test(path))
const read = (path: string): string => readFileSync(root + path, 'utf8')

/** Words are put together here so that this file does not hold what it forbids. */
const either = (...parts: readonly (readonly [string, string])[]): RegExp =>
  new RegExp(parts.map(([head, tail]) => head + tail).join('|'))

const holding = (paths: readonly string[], forbidden: RegExp): string[] =>
  paths.flatMap((path) =>
    read(path)
      .split('\n')
      .flatMap((line, index) => (forbidden.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
  )

describe('the house', () => {
  it('has sources to look at', () => {
    expect(sources.length).toBeGreaterThan(0)
  })

  it(`keeps every source file within ${LINES_MAX} lines`, () => {
    const long = sources.map((path) => ({ path, lines: read(path).split('\n').length - 1 }))
    expect(long.filter(({ lines }) => lines > LINES_MAX)).toEqual([])
  })

  it('leaves no note of unfinished work in code', () => {
    const marks = either(['\\bTO', 'DO\\b'], ['\\bFIX', 'ME\\b'], ['\\bX', 'XX\\b'])
    expect(holding(code, marks)).toEqual([])
  })

  it('leaves no test running alone', () => {
    expect(holding(code, either(['\\.on', 'ly\\(']))).toEqual([])
  })

  it('names no path of the machine it was written on', () => {
    const text = files.filter((path) => !/\.(png|pdf|golden|ico|woff2?)$/.test(path))
    expect(holding(text, either(['(?<![\\w.])/wo', 'rk/'], ['(?<![\\w.])/fa', 'rm/']))).toEqual([])
  })

  it('names no package host in the lockfile', () => {
    expect(holding(['package-lock.json'], /"resolved": "https?:/)).toEqual([])
  })

  it('pins every dependency to one version', () => {
    const ranges = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })
    expect(ranges.filter(([, version]) => !/^(npm:@?[\w./-]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([])
  })

  it('publishes only entry points that have a source', () => {
    const targets = Object.values(manifest.exports)
      .flatMap((target) => (typeof target === 'string' ? [] : [target.default]))
      .concat(Object.values(manifest.bin))
    const missing = targets.filter((path) => !existsSync(root + path.replace(/^(\.\/)?dist\/(.*)\.js$/, 'src/$2.ts')))
    expect(missing).toEqual([])
  })

  it('lists the same entry points for the compiler as for users', () => {
    const mapped = Object.keys(JSON.parse(read('tsconfig.json').replace(/^\s*\/\/.*$/gm, '')).compilerOptions.paths)
    const exported = Object.keys(manifest.exports).filter((subpath) => !subpath.endsWith('.json'))
    expect(mapped.sort()).toEqual(exported.map((subpath) => manifest.name + subpath.slice(1)).sort())
  })
})
