import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import process from 'node:process'
import { describe, expect, it } from 'vitest'
import { processIdentity } from '../../src/runtime/process-identity.ts'
import { systemProcesses } from '../../src/runtime/processes.ts'

describe.skipIf(!existsSync('/proc/self/ns/pid'))('processes of the system', () => {
  it('are alive until they exit', async () => {
    const own = await systemProcesses.self()
    expect(await systemProcesses.isAlive(own)).toBe(true)
    const child = spawn(process.execPath, ['-e', 'process.stdin.resume()'], { stdio: ['pipe', 'ignore', 'ignore'] })
    const exited = new Promise((resolve) => child.once('exit', resolve))
    const name = `${own.split(' ')[0]} ${await processIdentity(child.pid as number)}`
    expect(await systemProcesses.isAlive(name)).toBe(true)
    child.kill('SIGKILL')
    await exited
    expect(await systemProcesses.isAlive(name)).toBe(false)
  })

  it('are not taken for another one with the same pid', async () => {
    const own = await systemProcesses.self()
    expect(await systemProcesses.isAlive(`${own}0`)).toBe(false)
  })

  it('of another container, boot or system cannot be told of', async () => {
    const [namespace, pid, start = ''] = (await systemProcesses.self()).split(' ')
    expect(await systemProcesses.isAlive(`pid:[1] ${pid} ${start}`)).toBeUndefined()
    expect(await systemProcesses.isAlive(`${namespace} ${pid} other-boot/1`)).toBeUndefined()
    expect(await systemProcesses.isAlive(`${namespace} ${pid}`)).toBeUndefined()
    expect(await systemProcesses.isAlive('')).toBeUndefined()
  })
})
