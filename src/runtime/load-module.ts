/** Loads the user's own modules: JavaScript as it is, TypeScript through the loader that their project has. */
import { access, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, extname, join, resolve } from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'

const TYPESCRIPT = /^\.[cm]?tsx?$/

/** The file cannot be loaded for a reason that its user can mend; the message says which. */
export class ModuleMissing extends Error {
  override readonly name = 'ModuleMissing'
}

/** `file`: a path, from the working directory. Rejects `ModuleMissing`, or with whatever the module throws. */
export async function loadModule(file: string): Promise<Record<string, unknown>> {
  const path = resolve(file)
  try {
    await access(path)
  } catch {
    throw new ModuleMissing(`there is no file ${file}`)
  }
  const url = pathToFileURL(path).href
  return TYPESCRIPT.test(extname(path)) ? loadTypeScript(file, url) : ((await import(url)) as Record<string, unknown>)
}

/** The loader that the user's own project has, or Node's own where it strips types (from 22.18 on); this package brings none. */
async function loadTypeScript(file: string, url: string): Promise<Record<string, unknown>> {
  const tsx = await packageEntry('tsx', './esm/api')
  if (tsx !== undefined) {
    const { tsImport } = (await import(tsx)) as { tsImport: (url: string, parent: string) => Promise<unknown> }
    return (await tsImport(url, import.meta.url)) as Record<string, unknown>
  }
  const jiti = await packageEntry('jiti', '.')
  if (jiti !== undefined) {
    const { createJiti } = (await import(jiti)) as {
      createJiti: (parent: string) => { import: (url: string) => Promise<unknown> }
    }
    return (await createJiti(import.meta.url).import(url)) as Record<string, unknown>
  }
  if (stripsTypes()) return (await import(url)) as Record<string, unknown>
  throw new ModuleMissing(
    `${file} is TypeScript, and neither tsx nor jiti is installed in this project (npm install --save-dev tsx, or pass compiled JavaScript)`,
  )
}

function stripsTypes(): boolean {
  const { typescript } = process.features as { readonly typescript?: false | 'strip' | 'transform' }
  return typescript !== undefined && typescript !== false
}

/**
 * What `import` of the package's subpath would load from the working directory, as a URL. Node resolves imports from the
 * importing module only, and `require.resolve` finds the CommonJS twin, so the manifest is read by hand.
 */
async function packageEntry(name: string, subpath: string): Promise<string | undefined> {
  try {
    const path = createRequire(join(process.cwd(), 'noop.js')).resolve(`${name}/package.json`)
    const { exports } = JSON.parse(await readFile(path, 'utf8')) as { exports: Record<string, unknown> }
    const target = importTarget(exports[subpath])
    return target === undefined ? undefined : pathToFileURL(join(dirname(path), target)).href
  } catch {
    return undefined
  }
}

function importTarget(target: unknown): string | undefined {
  if (typeof target === 'string') return target
  if (typeof target !== 'object' || target === null) return undefined
  const conditions = target as Readonly<Record<string, unknown>>
  return importTarget(conditions['import'] ?? conditions['default'])
}
