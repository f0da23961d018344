/**
 * One PostgreSQL for all files of a test run, started when the first of them asks: vitest's global set-up listens on a port of
 * loopback, and answers with the URL. Each file takes a database of its own in it.
 */
import { createServer, type Server } from 'node:http'
import process from 'node:process'
import type { TestProject } from 'vitest/node'
import { PostgresServer } from './server.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    postgresAsk: number
  }
}

export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  let starting: Promise<PostgresServer> | undefined
  let started: PostgresServer | undefined
  process.once('exit', () => started?.disposeNow())
  const listener: Server = createServer((_, response) => {
    starting ??= PostgresServer.start().then((server) => {
      started = server
      return server
    })
    starting.then(
      (server) => response.end(server.url()),
      (fault: unknown) => response.writeHead(500).end(String(fault)),
    )
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const address = listener.address()
  project.provide('postgresAsk', typeof address === 'object' && address !== null ? address.port : 0)
  return async () => {
    listener.closeAllConnections()
    listener.close()
    await starting?.then((server) => server.dispose()).catch(() => {})
    started = undefined
  }
}
