import { describe, expect, it } from 'vitest'
import { Announcer } from '../../src/broker/announcer.ts'
import type { MessageId } from '../../src/model/message.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('announcements', () => {
  it('reach those who listen on the channel, each registration once, until it ends', () => {
    const announcer = new Announcer()
    const heard: string[] = []
    const hear = (data: Uint8Array): void => void heard.push(new TextDecoder().decode(data))
    const end = announcer.listen('news', hear)
    announcer.listen('news', hear)
    announcer.announce('news', bytes('a'))
    announcer.announce('weather', bytes('x'))
    end()
    end()
    announcer.announce('news', bytes('b'))
    expect(heard).toEqual(['a', 'a', 'b'])
  })

  it('of a message reach the channel with its id, by either way of saying it', () => {
    const announcer = new Announcer()
    const heard: number[] = []
    const end = announcer.listen('message/m-1', (data) => void heard.push(data.length))
    announcer.announceMessage('m-1' as MessageId)
    announcer.announceMessage('m-2' as MessageId)
    announcer.announce('message/m-1', bytes('ab'))
    end()
    announcer.announceMessage('m-1' as MessageId)
    expect(heard).toEqual([0, 2])
  })

  it('a listener that ends itself while it hears does not keep others from hearing', () => {
    const announcer = new Announcer()
    const heard: string[] = []
    const end = announcer.listen('message/m', () => {
      heard.push('first')
      end()
    })
    announcer.listen('message/m', () => void heard.push('second'))
    announcer.announceMessage('m' as MessageId)
    expect(heard).toEqual(['first', 'second'])
  })
})
