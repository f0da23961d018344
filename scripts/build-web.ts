import { fileURLToPath } from 'node:url'
import { build } from 'vite'

/** web/ -> the folder: the dashboard's files, ready to be served. */
export async function buildWeb(outDir: string): Promise<void> {
  const root = fileURLToPath(new URL('../web', import.meta.url))
  const folder = fileURLToPath(new URL(`../${outDir}`, import.meta.url))
  await build({ configFile: `${root}/vite.config.ts`, logLevel: 'warn', build: { outDir: folder, emptyOutDir: true } })
}
