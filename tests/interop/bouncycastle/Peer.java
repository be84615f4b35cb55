import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.security.PrivateKey;
import java.security.Security;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.jce.provider.BouncyCastleProvider;

/**
 * Bouncy Castle as a program that answers on its standard output what is asked on its input.
 *
 * <p>A question is a line: a verb, then parts "name=base64", each as often as it is needed. The
 * answer is a line: "ok" and values in base64, or "no" and a reason in base64. It ends with its
 * input. Knows lines and keys; may not know what a test wants.
 */
public final class Peer {
    /** The parts of a question. */
    static final class Question {
        private final Map<String, List<byte[]>> parts = new LinkedHashMap<>();

        Question(String[] words) {
            for (int at = 1; at < words.length; at++) {
                int equals = words[at].indexOf('=');
                byte[] value = Base64.getDecoder().decode(words[at].substring(equals + 1));
                all(words[at].substring(0, equals)).add(value);
            }
        }

        List<byte[]> all(String name) {
            return parts.computeIfAbsent(name, unused -> new ArrayList<>());
        }

        byte[] one(String name) {
            return all(name).get(0);
        }

        String text(String name) {
            return new String(one(name), StandardCharsets.UTF_8);
        }

        List<String> texts(String name) {
            List<String> found = new ArrayList<>();
            for (byte[] each : all(name)) {
                found.add(new String(each, StandardCharsets.UTF_8));
            }
            return found;
        }

        boolean has(String option) {
            return texts("option").contains(option);
        }
    }

    /** What the peer refuses for a reason of its own. */
    static final class Refusal extends Exception {
        private static final long serialVersionUID = 1L;

        Refusal(String says) {
            super(says);
        }
    }

    private Peer() {}

    static PrivateKey key(byte[] pkcs8) throws Exception {
        return BouncyCastleProvider.getPrivateKey(PrivateKeyInfo.getInstance(pkcs8));
    }

    private static byte[][] answer(String verb, Question asked) throws Exception {
        switch (verb) {
            case "version":
                String version = String.valueOf(Security.getProvider("BC").getVersionStr());
                return new byte[][] {version.getBytes(StandardCharsets.UTF_8)};
            case "sign":
                return new byte[][] {Signing.sign(asked)};
            case "verify":
                return Signing.verify(asked);
            case "countersign":
                return new byte[][] {Signing.countersign(asked)};
            case "stamp":
                return new byte[][] {Stamping.stamp(asked)};
            case "check-stamp":
                return new byte[][] {Stamping.check(asked)};
            case "encrypt":
                return new byte[][] {Enveloping.encrypt(asked)};
            case "decrypt":
                return new byte[][] {Enveloping.decrypt(asked)};
            case "write":
                return Others.write(asked);
            case "read":
                return new byte[][] {Others.read(asked)};
            case "write-mail":
                return new byte[][] {Mail.write(asked)};
            case "read-mail":
                return new byte[][] {Mail.read(asked)};
            default:
                throw new Refusal("unknown verb " + verb);
        }
    }

    private static String reason(Throwable error) {
        StringBuilder says = new StringBuilder();
        for (Throwable each = error; each != null; each = each.getCause()) {
            says.append(each).append("; ");
        }
        return says.toString();
    }

    private static String reply(String line) {
        String[] words = line.split(" ");
        StringBuilder reply = new StringBuilder("ok");
        try {
            for (byte[] each : answer(words[0], new Question(words))) {
                reply.append(' ').append(Base64.getEncoder().encodeToString(each));
            }
            return reply.toString();
        } catch (Exception | LinkageError error) {
            byte[] says = reason(error).getBytes(StandardCharsets.UTF_8);
            return "no " + Base64.getEncoder().encodeToString(says);
        }
    }

    public static void main(String[] unused) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        PrintStream out = System.out;
        BufferedReader in =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            out.println(reply(line));
            out.flush();
        }
    }
}
