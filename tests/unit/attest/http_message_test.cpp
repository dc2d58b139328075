#include "attest/client/http_message.hpp"

#include <gtest/gtest.h>

#include "attest/client/kbs_protocol.hpp"

namespace bartizan {
namespace {

using attest::client::body_length;
using attest::client::parse_head;

TEST(HttpHead, Parses) {
  auto head = attest::client::parse_head(
      "POST /a HTTP/1.1\r\nHost: x\r\nContent-LENGTH:  12 \r\nCookie: a=b; c=d");
  ASSERT_TRUE(head.ok()) << head.error().describe();
  EXPECT_EQ(head->start_line, "POST /a HTTP/1.1");
  EXPECT_EQ(head->header("content-length"), "12");
  EXPECT_EQ(head->header("cookie"), "a=b; c=d");
  EXPECT_EQ(*attest::client::body_length(*head), 12u);
}

TEST(HttpHead, RefusesWhatTwoReadersMayReadDifferently) {
  for (const char* text :
       {"", "\r\n", "GET / HTTP/1.1\r\nA", "GET / HTTP/1.1\r\n A: b", "GET / HTTP/1.1\r\nA : b",
        "GET / HTTP/1.1\r\nContent-Length: 1\r\ncontent-length: 2", "GET / HTTP/1.1\r\nA: b\nC: d",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a",
        "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "GET / HTTP/1.1\r\nAuthorization: a\r\nAuthorization: b", "GET / HTTP/1.1\r\n: b",
        "GET / HTTP/1.1\r\nA: \x01"}) {
    auto head = attest::client::parse_head(text);
    EXPECT_FALSE(head.ok()) << text;
  }
}

TEST(HttpHead, TakesListsInSeveralLines) {
  auto head = parse_head(
                  "HTTP/1.1 200 OK\r\nVary: Origin\r\nvary: Accept\r\nSet-Cookie: a=1; "
                  "Expires=Thu, 1 Jan\r\nset-cookie: b=2\r\nConnection: keep-alive, Close")
                  .value();
  EXPECT_EQ(head.header("vary"), "Origin, Accept");
  EXPECT_EQ(head.set_cookies, (std::vector<std::string>{"a=1; Expires=Thu, 1 Jan", "b=2"}));
  EXPECT_TRUE(head.wants_close());
  EXPECT_FALSE(parse_head("HTTP/1.1 200 OK\r\nConnection: enclose")->wants_close());
}

TEST(HttpHead, Limits) {
  EXPECT_FALSE(attest::client::parse_head("GET / HTTP/1.1\r\nA: " +
                                          std::string(attest::client::kMaxHeadBytes, 'b'))
                   .ok());
  std::string many = "GET / HTTP/1.1";
  for (size_t i = 0; i <= attest::client::kMaxHeaderCount; ++i)
    many += "\r\nh" + std::to_string(i) + ": x";
  EXPECT_FALSE(attest::client::parse_head(many).ok());
}

TEST(HttpBody, Lengths) {
  auto length = [](const std::string& headers) {
    return attest::client::body_length(
        attest::client::parse_head("GET / HTTP/1.1" + headers).value());
  };
  EXPECT_EQ(**length(""), 0u);
  EXPECT_FALSE(length("\r\nTransfer-Encoding: chunked")->has_value());
  EXPECT_FALSE(length("\r\nTransfer-Encoding: gzip").ok());
  EXPECT_FALSE(length("\r\nTransfer-Encoding: chunked\r\nContent-Length: 3").ok());
  EXPECT_FALSE(length("\r\nContent-Length: -1").ok());
  EXPECT_FALSE(length("\r\nContent-Length: +1").ok());
  EXPECT_FALSE(length("\r\nContent-Length: 1,1").ok());
  EXPECT_FALSE(length("\r\nContent-Length: 99999999999999999999999").ok());
  auto large = length("\r\nContent-Length: " + std::to_string(attest::client::kMaxBodyBytes + 1));
  ASSERT_FALSE(large.ok());
  EXPECT_EQ(large.error().code, ErrorCode::resource_exhausted);
}

TEST(Url, Parses) {
  auto endpoint = Endpoint::parse("https://10.0.2.2:8443");
  ASSERT_TRUE(endpoint.ok());
  EXPECT_EQ(endpoint->host, "10.0.2.2");
  EXPECT_EQ(endpoint->port, "8443");
  EXPECT_EQ(Endpoint::parse("https://broker.example/").value().port, "443");
  EXPECT_EQ(Endpoint::parse("https://[::1]:8443").value().host, "::1");
  EXPECT_EQ(Endpoint::parse("https://Broker.Example").value().host, "broker.example");
  EXPECT_EQ(Endpoint::parse("https://[::ffff:1.2.3.4]").value().address(), (Bytes{1, 2, 3, 4}));
  EXPECT_TRUE(Endpoint::parse("https://broker.example").value().address().empty());
  for (const char* loopback : {"LocalHost", "x.localhost", "127.0.0.1", "127.255.0.9", "0.0.0.0",
                               "[::]", "[::1]", "[0:0::1]", "[::ffff:127.0.0.1]"})
    EXPECT_TRUE(Endpoint::parse(std::string("https://") + loopback).value().is_loopback());
  for (const char* other :
       {"10.0.2.2", "[::2]", "[::ffff:10.0.0.1]", "localhost.example", "1.0.0.127"})
    EXPECT_FALSE(Endpoint::parse(std::string("https://") + other).value().is_loopback());
  for (const char* bad : {"",
                          "http://a:1",
                          "https://",
                          "https://:1",
                          "https://a:",
                          "https://a:0",
                          "https://a:65536",
                          "https://a:12345678901",
                          "https://a:1x",
                          "https://a/b",
                          "https://u@a",
                          "https://a b",
                          "https://[::1",
                          "https://a:1:2",
                          "https://a\n",
                          "https://a?b",
                          "https://a#b",
                          "https://\xc3\xa9",
                          "https://127.1",
                          "https://0x7f000001",
                          "https://2130706433",
                          "https://0177.0.0.1",
                          "https://1.2.3.4.",
                          "https://a.",
                          "https://.",
                          "https://[1]",
                          "https://[::1::]",
                          "https://[::1%lo]"}) {
    EXPECT_FALSE(Endpoint::parse(bad).ok()) << bad;
  }
}

TEST(ResourcePath, ThreePlainParts) {
  for (const char* good : {"default/disk-key/one", "a/b/c.d_e-f", "_/-/0"})
    EXPECT_TRUE(attest::client::check_resource_path(good).ok());
  for (const char* bad : {"", "a/b", "a/b/c/d", "a//c", "/b/c", "a/b/", "a/b/.c", "a/../c",
                          "a/b/c d", "a/b/c\n", "a/b/\xc3"}) {
    EXPECT_FALSE(attest::client::check_resource_path(bad).ok()) << bad;
  }
}

TEST(KbsError, CarriesReasonAndValues) {
  Error error{ErrorCode::verification_failed, 0, "x", "it differs", "host_data", "aa", "bb"};
  Error back =
      attest::client::error_from_answer(401, attest::client::error_to_json(error), "https://b");
  EXPECT_EQ(back.code, ErrorCode::verification_failed);
  EXPECT_EQ(back.reason, "host_data");
  EXPECT_EQ(back.expected, "aa");
  EXPECT_EQ(back.got, "bb");
  EXPECT_EQ(back.message, "https://b: it differs");
}

TEST(KbsError, OfOtherBrokers) {
  Error trustee = attest::client::error_from_answer(
      401, R"({"type":"https://x/errors/PolicyDeny","detail":"no\nway"})", "https://b");
  EXPECT_EQ(trustee.code, ErrorCode::permission_denied);
  EXPECT_EQ(trustee.message, "https://b: no way");  // a peer cannot make log lines
  EXPECT_EQ(attest::client::error_from_answer(404, "<html>", "https://b").code,
            ErrorCode::not_found);
  EXPECT_EQ(attest::client::error_from_answer(502, "", "https://b").code, ErrorCode::protocol);
}

}  // namespace
}  // namespace bartizan
