/** One program, written in the languages of RabbitMQ's users with the clients that Debian has: topology, confirms, headers, prefetch, returns, errors. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { testServer } from '../serve/test-server.ts'

const GO_LIBRARIES = '/usr/share/gocode'
const JARS = ['amqp-client', 'slf4j-api', 'slf4j-nop'].map((jar) => `/usr/share/java/${jar}.jar`)

interface Client {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly program: string
  readonly env?: Readonly<Record<string, string>>
  readonly isThere: () => boolean
}

const runs = (command: string, ...args: string[]) => spawnSync(command, args).status === 0

const clients: readonly Client[] = [
  {
    name: 'Bunny (Ruby)',
    command: 'ruby',
    args: [],
    program: 'bunny.rb',
    isThere: () => runs('ruby', '-e', 'require "bunny"'),
  },
  {
    name: 'php-amqplib (PHP)',
    command: 'php',
    args: [],
    program: 'php-amqplib.php',
    isThere: () => existsSync('/usr/share/php/PhpAmqpLib') && runs('php', '--version'),
  },
  {
    name: 'amqp091-go (Go)',
    command: 'go',
    args: ['run'],
    program: 'client.go',
    env: { GO111MODULE: 'off', GOPATH: GO_LIBRARIES, GOCACHE: '/tmp/spindle-go-cache' },
    isThere: () => existsSync(`${GO_LIBRARIES}/src/github.com/rabbitmq/amqp091-go`) && runs('go', 'version'),
  },
  {
    name: 'amqp-client (Java)',
    command: 'java',
    args: ['-cp', JARS.join(':')],
    program: 'Client.java',
    isThere: () => JARS.every((jar) => existsSync(jar)) && runs('java', '--version'),
  },
]

function printed({ command, args, program, env }: Client, port: string): Promise<string[]> {
  const path = fileURLToPath(new URL(`languages/${program}`, import.meta.url))
  const child = spawn(command, [...args, path, port], { env: { ...process.env, ...env } })
  let [lines, complaints] = ['', '']
  child.stdout.on('data', (chunk) => {
    lines += String(chunk)
  })
  child.stderr.on('data', (chunk) => {
    complaints += String(chunk)
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      if (code === 0) resolve(lines.trim().split('\n'))
      else reject(new Error(`${program} ended with ${code}\n${lines}\n${complaints}`))
    })
  })
}

describe.each(clients)('$name', (client) => {
  it.skipIf(!client.isThere())(
    'works as with RabbitMQ (skipped where it is not installed)',
    { timeout: 180_000 },
    async () => {
      const server = await testServer({ amqpPort: 0 })
      onTestFinished(() => server.close())
      expect(await printed(client, new URL(server.amqpUrl).port)).toEqual([
        'confirmed true',
        Array.from({ length: 10 }, (_, i) => `m${i}:${i}:2`).join(' '),
        'returned 312 lost',
        "NOT_FOUND - no queue 'gone' in vhost '/'",
      ])
    },
  )
})
