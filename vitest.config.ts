import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const source = (file: string): string => fileURLToPath(new URL(`./src/${file}`, import.meta.url))
const long = process.env['SPINDLE_TEST_LONG'] === '1'

export default defineConfig({
  resolve: {
    // Tests import the package as its users do, and get the source: no build first, stack traces in TypeScript.
    alias: [
      { find: /^spindle-mq$/, replacement: source('index.ts') },
      { find: /^spindle-mq\/engine$/, replacement: source('engine/engine.ts') },
      { find: /^spindle-mq\/(browser|http|dashboard|orm|outbox|tasks|testing)$/, replacement: source('$1/index.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts', 'examples/**/*.test.ts'],
    // Processes, not threads: tests open data folders, change signal handlers and kill workers.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: long ? 600_000 : 30_000,
    hookTimeout: 30_000,
    setupFiles: ['test/house/seed.ts'],
    // Starts nothing before a file asks for a PostgreSQL.
    globalSetup: ['test/postgres/shared.ts'],
    reporters: ['default'],
  },
})
