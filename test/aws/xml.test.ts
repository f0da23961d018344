import { describe, expect, it } from 'vitest'
import { AwsError } from '../../src/wire/aws/error.ts'
import { integer, list, map, string, structure } from '../../src/wire/aws/shape.ts'
import { writeXml, writeXmlError } from '../../src/wire/aws/xml.ts'

const frame = { namespace: 'http://example/doc/', requestId: 'r-1' }

describe('answers in XML', () => {
  it('repeat flattened lists and maps in place', () => {
    const output = structure({
      Messages: list(
        structure({ Body: string, Attributes: map(string, { flat: 'Attribute', key: 'Name', value: 'Value' }) }),
        'Message',
      ),
      Count: integer,
    })
    const result = { Count: 2, Messages: [{ Body: 'a', Attributes: { n: 'v' } }, { Body: 'b' }] }
    expect(writeXml({ ...frame, action: 'Get', output, result })).toBe(
      '<?xml version="1.0"?><GetResponse xmlns="http://example/doc/"><GetResult><Message><Body>a</Body><Attribute><Name>n</Name><Value>v</Value></Attribute></Message><Message><Body>b</Body></Message><Count>2</Count></GetResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></GetResponse>',
    )
  })

  it('wrap lists and maps that are not flattened, also empty ones', () => {
    const output = structure({ Topics: list(structure({ Arn: string })), Attributes: map(string), Tags: list(string) })
    const result = { Topics: [{ Arn: 'x' }], Attributes: { a: '1' }, Tags: [] }
    expect(writeXml({ ...frame, action: 'Get', output, result })).toContain(
      '<GetResult><Topics><member><Arn>x</Arn></member></Topics><Attributes><entry><key>a</key><value>1</value></entry></Attributes><Tags/></GetResult>',
    )
  })

  it('have no Result element when the action answers nothing', () => {
    expect(writeXml({ ...frame, action: 'Drop', output: undefined, result: {} })).toBe(
      '<?xml version="1.0"?><DropResponse xmlns="http://example/doc/"><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></DropResponse>',
    )
  })

  it('escape what XML reads, keep carriage returns, and replace what XML cannot say', () => {
    const output = structure({ Body: string })
    const result = { Body: '<&>"\'\r\n\t\u0001\ud800😀' }
    expect(writeXml({ ...frame, action: 'Get', output, result })).toContain(
      "<Body>&lt;&amp;&gt;&quot;'&#xD;\n\t\ufffd\ufffd😀</Body>",
    )
  })

  it('tell errors with an empty Detail', () => {
    const error = new AwsError({ type: 'QueueNameExists', code: 'QueueAlreadyExists', message: 'A <queue> exists' })
    expect(writeXmlError(error, frame)).toBe(
      '<?xml version="1.0"?><ErrorResponse xmlns="http://example/doc/"><Error><Type>Sender</Type><Code>QueueAlreadyExists</Code><Message>A &lt;queue&gt; exists</Message><Detail/></Error><RequestId>r-1</RequestId></ErrorResponse>',
    )
  })
})
