import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.Arrays;
import javax.crypto.Cipher;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;
import org.bouncycastle.asn1.DEROctetString;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.operator.GenericKey;
import org.bouncycastle.operator.OutputAEADEncryptor;
import org.bouncycastle.operator.jcajce.JceGenericKey;

/**
 * ChaCha20-Poly1305 as a content cipher (RFC 8103). Bouncy Castle 1.72 has the cipher and reads
 * such content, but its builder of content encryptors does not take it for one with a tag.
 */
final class ChaCha implements OutputAEADEncryptor {
    private static final int TAG = 16;

    private final byte[] nonce = new byte[12];
    private final AlgorithmIdentifier algorithm;
    private final SecretKeySpec key;
    private final ByteArrayOutputStream attributes = new ByteArrayOutputStream();
    private byte[] tag;

    ChaCha() {
        SecureRandom random = new SecureRandom();
        byte[] octets = new byte[32];
        random.nextBytes(octets);
        random.nextBytes(nonce);
        key = new SecretKeySpec(octets, "ChaCha20-Poly1305");
        algorithm =
                new AlgorithmIdentifier(
                        PKCSObjectIdentifiers.id_alg_AEADChaCha20Poly1305,
                        new DEROctetString(nonce));
    }

    @Override
    public AlgorithmIdentifier getAlgorithmIdentifier() {
        return algorithm;
    }

    @Override
    public GenericKey getKey() {
        return new JceGenericKey(algorithm, key);
    }

    @Override
    public OutputStream getAADStream() {
        return attributes;
    }

    @Override
    public byte[] getMAC() {
        return tag;
    }

    /** Gathers the content: the attributes, which come later, are authenticated before it. */
    @Override
    public OutputStream getOutputStream(OutputStream into) {
        return new ByteArrayOutputStream() {
            @Override
            public void close() throws IOException {
                into.write(encrypt(toByteArray()));
                into.close();
            }
        };
    }

    private byte[] encrypt(byte[] content) throws IOException {
        try {
            Cipher cipher = Cipher.getInstance("ChaCha20-Poly1305", "BC");
            cipher.init(Cipher.ENCRYPT_MODE, key, new IvParameterSpec(nonce));
            cipher.updateAAD(attributes.toByteArray());
            byte[] all = cipher.doFinal(content);
            int size = all.length - TAG;
            tag = Arrays.copyOfRange(all, size, all.length);
            return Arrays.copyOf(all, size);
        } catch (GeneralSecurityException error) {
            throw new IOException(error);
        }
    }
}
